"""From finished packets to what a mailer finds: bundles, flow files and file boxes, each packet exactly once."""

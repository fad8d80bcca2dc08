"""From a file that a mailer dropped to claimed, unpacked, readable packets; and the quarantine."""

"""The long-running process: the pipeline, the tasks around it, and its talk with systemd."""

"""What the command line does, one file a command; heavy libraries load when a command runs."""

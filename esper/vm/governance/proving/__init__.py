"""What a Prove may be about: a file for each subject, with its rules and what it does."""

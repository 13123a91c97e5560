"""What several groups of tests share: a running daemon, a client, the inputs that lie outside the repository."""

"""What streams of server-sent events have in common in every protocol."""

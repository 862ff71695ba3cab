"""What streams of server-sent events have in common, whatever their protocol."""

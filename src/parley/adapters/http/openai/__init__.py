"""OpenAI's HTTP protocol, so that the clients that people have work with parley."""

"""The WebSocket of a room: commands of a client, and every event of the room, over one connection."""

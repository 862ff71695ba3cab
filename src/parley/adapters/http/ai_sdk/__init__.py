"""The AI SDK's protocol for chats (UI message stream, version 1), so that `useChat` works with parley."""

"""Messages between a server and clients: links, frames, the channel and the ledger."""

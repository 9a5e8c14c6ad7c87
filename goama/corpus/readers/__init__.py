"""One format a module: what somebody's files say becomes a Source, the same stream of clips for all of them."""

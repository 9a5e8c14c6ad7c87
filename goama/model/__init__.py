"""Encoders under a CTC head: loading from folders and the Hub, trainable parameters, model folders."""

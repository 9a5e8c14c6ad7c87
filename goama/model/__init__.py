"""An encoder under a CTC head: loading, what of it learns, the plain transformers folder."""

"""`python -m goama` is `goama`."""

from goama.cli import main

main()

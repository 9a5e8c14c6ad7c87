"""`python -m goama` is `goama`."""

from goama.cli.app import main

main()

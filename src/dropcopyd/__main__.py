"""`python -m dropcopyd`."""

from dropcopyd.cli import main

main()

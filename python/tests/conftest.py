"""What all tests of the package share."""

import signal

# A shell that begins the tests in the background has them, and all that they begin, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

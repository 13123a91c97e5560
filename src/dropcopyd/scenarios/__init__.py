"""`dropcopyd scenarios run`: published order lifecycles played through a whole gateway, judged by its stream.

A path is a list of rows: what a client sends goes in over REST, what a broker says comes from a scripted broker, and
after every row the order as the stream last told it is compared with what the row prints. `words` is the vocabulary of
a file, `stage` an account with its stream, `path` one path on it, `run` the gateway and its accounts.
"""

from dropcopyd.scenarios.run import Gateway, Verdict, gateway, play, read_file

__all__ = ["Gateway", "Verdict", "gateway", "play", "read_file"]

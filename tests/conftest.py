"""Applied before torch is first imported: spinning OpenMP threads make the suite many times slower."""

from harness import threads

threads.apply()

"""harness: which reward makes a language model reason better, shown by tables with a file behind every number."""

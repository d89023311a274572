"""Files that go into an export as they are. There they stand alone: they import nothing of this project."""

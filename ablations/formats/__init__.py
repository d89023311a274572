"""The table of a study in five formats, all of them printed from one frame: Markdown, LaTeX, HTML, csv, terminal."""

"""One chart per file. Each offers ``chart(...) -> Chart``: an option of plain JSON, the same data as a table.

What has more points than a screen has pixels is joined honestly: extremes stay, and the note says so.
"""

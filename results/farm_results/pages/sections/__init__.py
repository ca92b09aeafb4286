"""What the pages say of results, as data: pairs, tables and charts. Templates only lay it out.

The report and the dashboard show the same sections.
"""

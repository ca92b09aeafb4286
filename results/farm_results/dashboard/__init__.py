"""The dashboard: the farm's memory as web pages. A Starlette application; one file per page in ``pages``.

It reads a store and, through ``fleet.Fleet``, what is known of the devices now. It changes nothing but what
people make of a finding and, with it, a baseline; each such change needs the token and leaves an audit row.
"""

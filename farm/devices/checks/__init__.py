"""What a look at a device means: one file per subject, each a function that yields findings.

docs/doctor.md says the same in words; a test holds both together.
"""

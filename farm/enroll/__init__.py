"""Enrolment: a bare device becomes one that measures, by Ansible as a separate program; and back again.

target      what the command line names
login       one verified SSH connection, by key or password, which Ansible then uses
privilege   how to become root there
survey      what the device is, before anything is changed
proposal    what would be installed
playbook    runs ansible-playbook and reads its events
failures    a failed task as one of our errors
flow        enrol; retirement: retire
"""

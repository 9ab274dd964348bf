"""Folders of files on disks, shared file systems and object stores: addresses, atomic writes, retries, locks.

Knows bytes and names only, not what the files mean. Never imports anything outside `ringcycle`.
"""

"""The processors: what this machine and the nodes of the cluster have, and binding processes to them.

Knows Linux's /sys, /proc and cgroups, and the nodes as Ray describes them. Never imports the configuration, worker, driver or monitoring.
"""

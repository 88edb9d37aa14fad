# SPDX-License-Identifier: GPL-3.0-or-later
"""Interrupted rollouts, and the verdict on the state of the host after each."""

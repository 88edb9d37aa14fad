# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts that are interrupted, and the judgement of what they leave on a host."""

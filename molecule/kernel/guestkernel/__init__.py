# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels to put the driver into: a debug kernel of our own, and packaged ones."""

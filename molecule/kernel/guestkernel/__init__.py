# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels to test the driver in: a debug kernel built here, and packaged ones."""

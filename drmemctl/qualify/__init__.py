# SPDX-License-Identifier: MIT
"""Real kernels and real QEMUs held against the simulation: guests that are booted, connectors that are asked."""

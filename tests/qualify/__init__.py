# SPDX-License-Identifier: MIT
"""Real QEMUs and kernels against the simulation: what needs neither, with recorded sessions."""

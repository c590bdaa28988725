# SPDX-License-Identifier: MIT
"""The steps, a file for each family: their words in the step language, and what each does to a partition.

A step that the kernel carries out is a task (`kernel_step`), run alone by a simulation and interleaved with others
by `interleave`. A new step is a file here and its words in `language`.
"""

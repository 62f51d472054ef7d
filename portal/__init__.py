"""The community portal: one Flask site for residents, guardians, grid workers and staff."""

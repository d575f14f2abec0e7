// Filled by the first landing of the command line.

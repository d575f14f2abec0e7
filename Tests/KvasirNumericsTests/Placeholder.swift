// Filled by the first landing of KvasirNumerics.

// Filled by the first landing of KvasirEngine.

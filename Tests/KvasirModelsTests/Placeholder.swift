// Filled by the first landing of KvasirModels.

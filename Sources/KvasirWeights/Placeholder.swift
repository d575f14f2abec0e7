// Filled by the first landing of KvasirWeights.

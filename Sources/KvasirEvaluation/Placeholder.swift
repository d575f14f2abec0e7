// Filled by the first landing of KvasirEvaluation.

#if Server
internal import Hummingbird
internal import KvasirCache
internal import KvasirEngine
internal import KvasirTokenizers

/// `GET /props`: what is served and how its cache is stored; `GET /stats`: what it holds now.
struct PropsEndpoint: Sendable {
    let model: ServedModel
    /// Seconds since 1970 when the server was started.
    let created: Int

    func props() throws -> Response {
        let description = try model.ready().description
        let hasBudget = description.cacheBudget < .max
        return Response([
            "model": .string(description.name),
            "context": .integer(description.tokenCapacity),
            "budget": hasBudget ? .integer(description.cacheBudget) : .null,
            "vocabularySize": .integer(description.tokenizer.vocabularySize),
            "chatTemplate": Self.template(description),
            "started": .integer(created),
            "plan": PlanReport(plan: description.plan, context: description.tokenCapacity).json,
        ])
    }

    func statistics() throws -> Response {
        let backend = try model.ready()
        let (statistics, description) = (backend.engine.statistics, backend.description)
        let plan = description.plan
        return Response([
            "running": .integer(statistics.running), "waiting": .integer(statistics.waiting),
            "finished": [
                "stop": .integer(statistics.finished[.stop] ?? 0),
                "length": .integer(statistics.finished[.length] ?? 0),
                "cancelled": .integer(statistics.finished[.cancelled] ?? 0),
            ],
            "refused": .integer(statistics.refused), "failed": .integer(statistics.failed),
            "preemptions": .integer(statistics.preemptions),
            "promptTokens": .integer(statistics.promptTokens),
            "cachedPromptTokens": .integer(statistics.cachedPromptTokens),
            "generatedTokens": .integer(statistics.generatedTokens),
            "steps": .integer(statistics.steps), "stepSeconds": .number(statistics.stepSeconds),
            "sequenceBytes": .integer(statistics.sequenceBytes), "prefixBytes": .integer(statistics.prefixBytes),
            "peakBytes": .integer(statistics.peakBytes), "cachedTokens": .integer(statistics.cachedTokens),
            "budget": description.cacheBudget < .max ? .integer(description.cacheBudget) : .null,
            "pageBytes": .integer(plan.pageBytes + plan.localPageBytes),
            "f16Bytes": .integer(plan.f16BytesPerToken * statistics.cachedTokens),
        ])
    }

    private static func template(_ description: ServingDescription) -> JSONNode {
        switch description.chatTemplate {
        case .success(let template): .string(template.family.description)
        case .failure: .null
        }
    }
}
#endif

#if Server
internal import CoreMetrics
internal import Synchronization

/// The metrics of one server, kept for Prometheus: a backend of swift-metrics.
///
/// Labels are used as names, so they must be such already. What is recorded in aggregate is a histogram.
final class PrometheusFactory: MetricsFactory {
    /// What is told of a family besides its values.
    struct Description: Sendable {
        let name: String
        let help: String
        /// The upper bounds of a histogram, ascending.
        var buckets: [Double] = []
    }

    private struct Family {
        let kind: PrometheusText.Kind
        var series: [(labels: [(String, String)], value: any PrometheusSeries)] = []
    }

    private let descriptions: [String: Description]
    private let families = Mutex<[String: Family]>([:])

    init(_ descriptions: [Description]) {
        self.descriptions = Dictionary(uniqueKeysWithValues: descriptions.map { ($0.name, $0) })
    }

    /// Writes everything, families by name.
    func write(to text: inout PrometheusText) {
        let families = families.withLock { $0 }
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text.family(name, family.kind, descriptions[name]?.help ?? name)
            for series in family.series { series.value.write(name, series.labels, to: &text) }
        }
    }

    private func series<Series: PrometheusSeries>(
        _ name: String, _ labels: [(String, String)], _ kind: PrometheusText.Kind, _ make: () -> Series
    ) -> Series {
        families.withLock { families in
            var family = families[name] ?? Family(kind: kind)
            let existing = family.series.first {
                $0.labels.count == labels.count && zip($0.labels, labels).allSatisfy(==)
            }
            if let known = existing?.value as? Series { return known }
            let made = make()
            family.series.append((labels, made))
            families[name] = family
            return made
        }
    }

    private func remove(_ handler: AnyObject) {
        families.withLock { families in
            for name in families.keys { families[name]?.series.removeAll { $0.value === handler } }
        }
    }

    // MARK: - MetricsFactory

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter) { PrometheusValue() }
    }

    func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(label, dimensions, .counter) { PrometheusValue() }
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge) { PrometheusValue() }
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return series(label, dimensions, .gauge) { PrometheusValue() } }
        return series(label, dimensions, .histogram) {
            PrometheusHistogram(bounds: descriptions[label]?.buckets ?? [])
        }
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, .histogram) {
            PrometheusHistogram(bounds: descriptions[label]?.buckets ?? [])
        }
    }

    func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    func destroyTimer(_ handler: any TimerHandler) { remove(handler) }
}
#endif

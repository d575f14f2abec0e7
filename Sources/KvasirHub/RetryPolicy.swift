/// How often and after what pause a transient failure is tried again.
struct RetryPolicy: Sendable {
    /// Attempts in a row that may fail without a byte gained, the first one included.
    var attempts: Int
    /// The pause after the first failure; each further one is twice as long, up to 30 seconds.
    var firstPause: Duration

    static let standard = RetryPolicy(attempts: 4, firstPause: .seconds(1))

    /// The pause after `failures` failures in a row.
    func pause(after failures: Int) -> Duration {
        min(firstPause * (1 << min(max(failures, 1) - 1, 16)), .seconds(30))
    }

    /// Runs `body` until it succeeds, fails for good, or has failed too often.
    func run<Value>(_ body: () async throws(HubError) -> Value) async throws(HubError) -> Value {
        var failures = 0
        while true {
            do throws(HubError) {
                return try await body()
            } catch {
                failures += 1
                guard try await shouldRetry(error, failures: failures) else { throw error }
            }
        }
    }

    /// Waits before the next attempt; false if there is to be none.
    func shouldRetry(_ error: HubError, failures: Int) async throws(HubError) -> Bool {
        guard error.isTransient, failures < attempts, !Task.isCancelled else { return false }
        do {
            try await Task.sleep(for: pause(after: failures))
        } catch {
            return false
        }
        return true
    }
}

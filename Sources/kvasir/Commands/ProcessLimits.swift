#if Server
import Foundation

/// What the system allows a process that serves.
enum ProcessLimits {
    /// Files beside connections: the model, sessions, standard streams, what the runtime needs.
    private static let otherFiles = 256

    /// Raises the number of files that may be open as far as connections need it and the system permits, and has a file
    /// that becomes larger than allowed be an error of its writer, not the end of the process.
    static func prepare(connections: Int) {
        signal(SIGXFSZ, SIG_IGN)
        #if canImport(Darwin)
        let resource = RLIMIT_NOFILE
        #else
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #endif
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return }
        let wanted = rlim_t(connections + otherFiles)
        guard limit.rlim_cur < wanted else { return }
        limit.rlim_cur = min(wanted, limit.rlim_max)
        if setrlimit(resource, &limit) != 0 || limit.rlim_cur < wanted {
            Console.note(
                "kvasir: the system allows \(limit.rlim_cur) open files, fewer than --max-connections \(connections) needs; "
                    + "raise 'ulimit -n' or lower it")
        }
    }
}
#endif

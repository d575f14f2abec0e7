import Foundation
import KvasirEngine
import KvasirEvaluation

/// What a calibration that takes minutes keeps on the way, in a folder beside its output: a journal, and what was recorded.
struct UnfinishedCalibration {
    let folder: String
    let journal: RunJournal

    /// Creates the folder, or opens that of a run with the same fingerprint.
    ///
    /// - Throws: `CalibrationError` if the folder cannot be created, or belongs to a run of another fingerprint or to one that
    ///   goes on right now.
    init(beside output: String, fingerprint: RunFingerprint) throws(CalibrationError) {
        folder = output + ".partial"
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        } catch {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
                throw CalibrationError(
                    .unwritable, received: "cannot create \(folder): \(error.localizedDescription)",
                    remedy: "name another place with --output")
            }
        }
        do throws(EvaluationError) {
            journal = try RunJournal(path: folder + "/journal", fingerprint: fingerprint)
        } catch {
            throw CalibrationError(
                .impossible, received: error.received,
                remedy: "\(error.remedy); to begin anew, remove \(folder)")
        }
    }

    /// Does a step of the work, with progress and an end by Ctrl-C.
    func step<Value>(
        _ unit: String, _ interrupts: Interrupts, _ body: (EvaluationRun) throws -> Value
    ) throws -> Value {
        let bar = ProgressBar(unit: unit)
        interrupts.begin()
        defer { interrupts.end() }
        let run = EvaluationRun(
            journal: journal, isCancelled: { interrupts.isRaised }, onProgress: { bar.update($0) })
        defer { bar.finish() }
        do {
            return try body(run)
        } catch let cancelled as EvaluationCancelled {
            bar.finish()
            throw Interruption(
                message:
                    "interrupted after \(cancelled.finished) of \(cancelled.total) \(unit)s; the same command goes on "
                    + "from \(folder)")
        }
    }

    /// Removes the folder: what it was for is done.
    func remove() throws(CalibrationError) {
        do {
            try FileManager.default.removeItem(atPath: folder)
        } catch {
            throw CalibrationError(
                .unwritable, received: "cannot remove \(folder): \(error.localizedDescription)",
                remedy: "the codebooks are written; remove it yourself")
        }
    }
}

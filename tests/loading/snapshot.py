"""What Pyodide's memory snapshot gives: the start of Python with and without one, in a bare page of the coordinator's."""

from typing import Any

from playwright.sync_api import Browser

# A snapshot is made of a Pyodide that was loaded for it; packages with libraries of their own are tried, too.
TRY = """async ({ packages, repeats }) => {
    const at = (path) => new URL(path, location.origin).href;
    const { loadPyodide } = await import("/assets/pyodide.mjs");
    const usual = { indexURL: at("/assets/"), lockFileURL: at("/assets/pyodide-lock.json") };
    const timed = async (work) => {
        const began = performance.now();
        return [await work(), (performance.now() - began) / 1000];
    };
    const check = packages.length ? "import numpy; int(numpy.arange(4).sum())" : "1 + 5";
    const start = async (how) => {
        const pyodide = await loadPyodide({ ...usual, ...how });
        if (packages.length) {
            await pyodide.loadPackage(packages, { messageCallback: () => {} });
            pyodide.runPython("import numpy");
        }
        return pyodide;
    };
    const found = { plain: [], restored: [], bytes: null, error: null };
    for (let turn = 0; turn < repeats; turn++) found.plain.push((await timed(() => start({})))[1]);
    try {
        const made = await start({ _makeSnapshot: true });
        const bytes = made.makeMemorySnapshot();
        found.bytes = bytes.byteLength;
        for (let turn = 0; turn < repeats; turn++) {
            const [pyodide, seconds] = await timed(() => loadPyodide({ ...usual, _loadSnapshot: bytes }));
            if (pyodide.runPython(check) !== 6) throw new Error("it computes nonsense");
            found.restored.push(seconds);
        }
    } catch (error) {
        found.error = String(error).split("\\n").slice(-3).join(" ").slice(0, 300);
    }
    return found;
}"""


def compare(browser: Browser, url: str) -> list[str]:
    """A line for Python alone, and one for Python with NumPy."""
    lines = []
    for name, packages in (("Python", []), ("Python and NumPy", ["numpy"])):
        page = browser.new_page()
        page.goto(url + "api/info")
        found: dict[str, Any] = page.evaluate(TRY, {"packages": packages, "repeats": 3})
        page.close()
        said = f"snapshot of {name}: without {min(found['plain']):.2f} s"
        if found["restored"]:
            said += f", with {min(found['restored']):.2f} s"
        if found["bytes"]:
            said += f", {found['bytes']:,} bytes"
        lines.append(said + (f", but: {found['error']}" if found["error"] else ""))
    return lines

/** `examples/echo.ts`, which also tells what memory it uses: see server_process.ts. */

import "./report_memory.ts";
import "../../../examples/echo.ts";

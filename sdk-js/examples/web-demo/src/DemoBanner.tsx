/** On every screen: what this page is, and what no page can do. */
export const DemoBanner = () => (
  <aside aria-label="About this page" className="border-b border-amber-300 bg-amber-100 px-4 py-2 text-center text-sm text-amber-950 dark:border-amber-800 dark:bg-amber-950 dark:text-amber-100">
    <strong>This is a demo.</strong> A browser cannot make the VPN tunnel itself: bring the config into a WireGuard app for that.
  </aside>
);
